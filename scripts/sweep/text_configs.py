"""A tiny configuration of every architecture of mlx-lm, with what makes it special.

Windows, block budgets and the lengths that rotary embeddings were trained for lie above what the probe tries and below
what the prompts reach, as in published models.
"""

# fmt: off

from __future__ import annotations

from typing import Any

WINDOW = 40
VOCAB = 512
CONTEXT = 8192
SLIDING, FULL = "sliding_attention", "full_attention"
BASE: dict[str, Any] = dict(hidden_size=64, num_hidden_layers=4, intermediate_size=96, num_attention_heads=4, num_key_value_heads=2,
    head_dim=16, rms_norm_eps=1e-6, layer_norm_eps=1e-5, layer_norm_epsilon=1e-5, norm_eps=1e-5, vocab_size=VOCAB, max_position_embeddings=CONTEXT, rope_theta=1e4,
    tie_word_embeddings=False, attention_bias=False, mlp_bias=False, norm_topk_prob=True, rope_scaling=None)
MOE = dict(num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, decoder_sparse_step=1, mlp_only_layers=[], n_shared_experts=1)
DEEPSEEK_MOE = dict(moe_intermediate_size=32, n_shared_experts=1, n_routed_experts=8, num_experts_per_tok=2, first_k_dense_replace=1, moe_layer_freq=1, routed_scaling_factor=1.5, n_group=2, topk_group=1)
MLA = dict(num_key_value_heads=4, kv_lora_rank=24, q_lora_rank=32, qk_rope_head_dim=8, v_head_dim=16, qk_nope_head_dim=16)
YARN = dict(type="yarn", rope_type="yarn", factor=4.0, original_max_position_embeddings=64, beta_fast=32, beta_slow=1, mscale=1.0, mscale_all_dim=1.0)
LLAMA3 = dict(rope_type="llama3", type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=64)
DEEPSEEK = DEEPSEEK_MOE | MLA | dict(topk_method="noaux_tc", scoring_func="sigmoid", rope_scaling=YARN)
BAILING = dict(moe_intermediate_size=32, num_experts=8, num_shared_experts=1, num_experts_per_tok=2, first_k_dense_replace=1, n_group=2, topk_group=1, score_function="sigmoid",
    moe_router_enable_expert_bias=True, use_qk_norm=True, routed_scaling_factor=1.5, partial_rotary_factor=0.5, layer_group_size=2, group_norm_size=1, norm_topk_prob=True)
LINEAR = dict(linear_num_value_heads=4, linear_num_key_heads=2, linear_key_head_dim=16, linear_value_head_dim=16, linear_conv_kernel_dim=4)
GRANITE = dict(logits_scaling=1.0, attention_multiplier=0.25, embedding_multiplier=2.0, residual_multiplier=0.5)
KDA = dict(num_heads=4, head_dim=16, short_conv_kernel_size=4, kda_layers=[1, 2, 3], full_attn_layers=[4])
GEMMA3N = BASE | dict(num_hidden_layers=6, num_key_value_heads=2, num_kv_shared_layers=2, vocab_size_per_layer_input=VOCAB, sliding_window=WINDOW, rope_local_base_freq=1e4, final_logit_softcapping=30.0,
    layer_types=[SLIDING, SLIDING, FULL, SLIDING, SLIDING, FULL], activation_sparsity_pattern=[0.95, 0.95, 0.0, 0.0, 0.0, 0.0], hidden_size_per_layer_input=16, altup_num_inputs=4, altup_coef_clip=120.0, altup_correct_scale=True, altup_active_idx=0, laurel_rank=8, model_type="gemma3n_text",
    intermediate_size=[96]*6)
GEMMA4 = BASE | dict(model_type="gemma4_text", num_hidden_layers=6, head_dim=16, global_head_dim=32, num_key_value_heads=1, num_kv_shared_layers=2, vocab_size_per_layer_input=VOCAB, hidden_size_per_layer_input=16, sliding_window=WINDOW,
    layer_types=[SLIDING, SLIDING, FULL, SLIDING, SLIDING, FULL], final_logit_softcapping=30.0, use_double_wide_mlp=True, tie_word_embeddings=True,
    rope_parameters={FULL: dict(partial_rotary_factor=0.25, rope_theta=1e6, rope_type="proportional"), SLIDING: dict(rope_theta=1e4, rope_type="default")})
LLAMA4 = BASE | dict(model_type="llama4_text", attention_chunk_size=64, interleave_moe_layer_step=2, intermediate_size_mlp=96, num_experts_per_tok=1, num_local_experts=4, use_qk_norm=True, attn_temperature_tuning=True, floor_scale=32, attn_scale=0.1)
QWEN35 = BASE | LINEAR | dict(model_type="qwen3_5_text", full_attention_interval=4, rope_parameters=dict(rope_type="default", type="default", rope_theta=1e4, partial_rotary_factor=0.25, mrope_section=[1, 1, 0]))
QWEN35_MOE = QWEN35 | dict(model_type="qwen3_5_moe_text", num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=32)
LONGCAT = dict(attention_method="MLA", zero_expert_type="identity", ffn_hidden_size=96, moe_topk=2, expert_ffn_hidden_size=32, n_routed_experts=4, zero_expert_num=2, num_layers=2, routed_scaling_factor=1.5, mla_scale_q_lora=True, mla_scale_kv_lora=True, **MLA)
FAMILIES: dict[str, dict[str, Any]] = {
 "Klear": MOE | dict(n_shared_experts=1),
 "afm7": dict(hidden_dim=64, num_layers=4, num_kv_reuse_layers=2, num_heads=4, num_kv_heads=2),
 "afmoe": dict(layer_types=[SLIDING, SLIDING, SLIDING, FULL], moe_intermediate_size=32, num_experts=4, num_experts_per_tok=2, num_dense_layers=1, sliding_window=WINDOW),
 "apertus": dict(post_norm=False, qk_norm=True, rope_scaling=LLAMA3),
 "baichuan_m1": dict(sliding_window=WINDOW, sliding_window_layers=[0, 2], conv_window=2, num_swa_attention_heads=4, num_swa_key_value_heads=2),
 "bailing_hybrid": BAILING | MLA,
 "bailing_moe": BAILING,
 "bailing_moe_linear": BAILING,
 "bailing_moe_v3": BAILING | MLA | dict(model_type="bailing_hybrid", architectures=["BailingMoeV3ForCausalLM"], short_conv_kernel_size=4, moe_shared_expert_intermediate_size=32),
 "bitnet": {},
 "cohere": dict(use_qk_norm=True, head_dim=None),
 "cohere2": dict(sliding_window=WINDOW, sliding_window_pattern=4),
 "dbrx": dict(d_model=64, n_layers=3, n_heads=4, ffn_config=dict(ffn_hidden_size=32, moe_num_experts=4, moe_top_k=2), attn_config=dict(kv_n_heads=2, clip_qkv=8.0, rope_theta=1e4)),
 "deepseek": DEEPSEEK_MOE | dict(num_key_value_heads=4),
 "deepseek_v2": DEEPSEEK | dict(topk_method="group_limited_greedy", scoring_func="softmax"),
 "deepseek_v3": DEEPSEEK,
 "deepseek_v32": DEEPSEEK | dict(index_head_dim=16, index_n_heads=2, index_topk=32),
 "deepseek_v41": dict(text_config=BASE | DEEPSEEK_MOE | dict(head_dim=16, q_lora_rank=32, qk_rope_head_dim=8, o_groups=2, o_lora_rank=16, sliding_window=WINDOW, compress_ratios=[1, 4, 4, 16], kv_source_layer_ids=[-1]*4, index_source_layer_ids=[-1]*4, index_n_heads=2, index_head_dim=16, index_topk=8, scoring_func="sqrtsoftplus", hc_mult=2, rope_scaling=YARN, routed_scaling_factor=1.0)),
 "dots1": DEEPSEEK_MOE | dict(scoring_func="noaux_tc"),
 "ernie4_5": dict(use_bias=False),
 "ernie4_5_moe": dict(use_bias=False, moe_num_experts=4, moe_layer_start_index=1, moe_intermediate_size=32, moe_capacity=[4, 4, 4], moe_k=2, moe_use_aux_free=True, moe_num_shared_experts=1),
 "exaone": dict(num_layers=4),
 "exaone4": dict(layer_types=[SLIDING, SLIDING, SLIDING, FULL], sliding_window=WINDOW, sliding_window_pattern="LLLG", rope_scaling=LLAMA3),
 "exaone_moe": MOE | dict(num_shared_experts=1, sliding_window=WINDOW, layer_types=[SLIDING, SLIDING, SLIDING, FULL], is_moe_layer=[False, True, True, True]),
 "falcon_h1": dict(mamba_d_ssm=64, mamba_d_head=16, mamba_n_heads=4, mamba_d_state=16, mamba_n_groups=1, mamba_d_conv=4, mamba_expand=1, mlp_multipliers=[1.0, 1.0], ssm_multipliers=[1.0]*5, lm_head_multiplier=1.0, key_multiplier=1.0, tie_word_embeddings=False),
 "gear": dict(layer_types=["conv_mixer", SLIDING, "conv_mixer", FULL], sliding_window=WINDOW, query_pre_attn_scalar=16),
 "gemma": {}, "gemma2": dict(query_pre_attn_scalar=16, sliding_window=WINDOW),
 "gemma3": dict(text_config=BASE | dict(model_type="gemma3_text", num_hidden_layers=6, query_pre_attn_scalar=16, sliding_window=WINDOW, sliding_window_pattern=3)),
 "gemma3_text": dict(num_hidden_layers=6, query_pre_attn_scalar=16, sliding_window=WINDOW, sliding_window_pattern=3),
 "gemma3n": dict(text_config=GEMMA3N), "gemma4": dict(text_config=GEMMA4), "gemma4_text": GEMMA4,
 "gemma4_moe": GEMMA4 | dict(_module="gemma4_text", enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=32, num_kv_shared_layers=0, hidden_size_per_layer_input=0, attention_k_eq_v=True, num_global_key_value_heads=1, num_key_value_heads=2, use_double_wide_mlp=False),
 "glm": {}, "glm4": dict(partial_rotary_factor=0.5),
 "glm4_moe": DEEPSEEK_MOE | dict(use_qk_norm=True, partial_rotary_factor=0.5),
 "glm4_moe_lite": DEEPSEEK | dict(rope_scaling=None),
 "glm_moe_dsa": DEEPSEEK | dict(rope_scaling=None, index_head_dim=16, index_n_heads=2, index_topk=32, rope_parameters=dict(rope_theta=1e4, rope_type="default")),
 "gpt2": dict(n_ctx=2048, n_embd=64, n_head=4, n_layer=4, n_positions=2048),
 "gpt_bigcode": dict(n_embd=64, n_layer=3, n_inner=96, n_head=4, n_positions=2048),
 "gpt_neox": dict(rotary_emb_base=10000, rotary_pct=0.25),
 "gpt_oss": dict(num_local_experts=4, num_experts_per_tok=2, sliding_window=WINDOW, layer_types=[SLIDING, FULL]*2, rope_theta=150000, rope_scaling=dict(rope_type="yarn", factor=32.0, beta_fast=32.0, beta_slow=1.0, truncate=False, original_max_position_embeddings=64)),
 "gptj": dict(n_embd=64, n_positions=2048, n_head=4, rotary_dim=8, n_layer=4),
 "granite": GRANITE, "granitemoe": GRANITE | dict(num_local_experts=4, num_experts_per_tok=2),
 "granitemoehybrid": GRANITE | dict(layer_types=["mamba", "mamba", "attention", "mamba"], num_local_experts=4, num_experts_per_tok=2, shared_intermediate_size=32, mamba_n_heads=4, mamba_d_head=32, mamba_proj_bias=False, mamba_d_state=16, mamba_d_conv=4, mamba_n_groups=1, mamba_conv_bias=True, position_embedding_type="nope"),
 "helium": {},
 "hunyuan": dict(moe_topk=2, num_experts=4, num_shared_expert=1, use_mixed_mlp_moe=True, use_qk_norm=True, use_cla=True, cla_share_factor=2, moe_intermediate_size=32, rope_scaling=dict(type="dynamic", factor=1.0, alpha=1000.0)),
 "hunyuan_v1_dense": dict(rope_scaling=dict(type="dynamic", factor=1.0, alpha=1000.0)),
 "internlm2": dict(bias=False, rope_scaling=dict(type="dynamic", factor=2.0)), "internlm3": dict(rope_scaling=dict(rope_type="dynamic", type="dynamic", factor=6.0)),
 "iquestloopcoder": dict(loop_num=2, loop_window_size=WINDOW),
 "jamba": dict(attn_layer_offset=1, attn_layer_period=2, expert_layer_offset=1, expert_layer_period=2, mamba_d_conv=4, mamba_d_state=16, mamba_expand=2, num_experts=4, num_experts_per_tok=2),
 "kimi_k25": dict(text_config=BASE | DEEPSEEK | dict(model_type="kimi_k2")),
 "kimi_k3": dict(text_config=BASE | MLA | dict(model_type="kimi_linear", linear_attn_config=KDA, attn_res_block_size=2, num_experts=4, num_experts_per_token=2, num_shared_experts=1, moe_intermediate_size=32, first_k_dense_replace=1, mla_use_output_gate=True, activation_situ_beta=1.0, activation_situ_linear_beta=1.0)),
 "kimi_linear": MLA | dict(linear_attn_config=KDA, model_max_length=CONTEXT, num_experts=4, num_experts_per_token=2, num_shared_experts=1, moe_intermediate_size=32, first_k_dense_replace=1, mla_use_nope=True),
 "kimi_vl": dict(text_config=BASE | DEEPSEEK),
 "laguna": dict(sliding_window=WINDOW, layer_types=[FULL, SLIDING, SLIDING, FULL], num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=32, num_attention_heads_per_layer=[4, 8, 8, 4], rope_parameters={FULL: dict(rope_type="default", rope_theta=1e4, partial_rotary_factor=0.5), SLIDING: dict(rope_type="default", rope_theta=1e4)}),
 "lfm2-vl": dict(text_config=BASE | dict(model_type="lfm2", conv_bias=False, conv_L_cache=3, block_dim=64, block_multiple_of=32, block_ffn_dim_multiplier=1.0, block_auto_adjust_ff_dim=True, block_ff_dim=96, layer_types=["conv", "conv", "full_attention", "conv"])),
 "lfm2": dict(conv_bias=False, conv_L_cache=3, block_dim=64, block_multiple_of=32, block_ffn_dim_multiplier=1.0, block_auto_adjust_ff_dim=True, block_ff_dim=96, layer_types=["conv", "conv", "full_attention", "conv"]),
 "lfm2_moe": dict(conv_bias=False, conv_L_cache=3, moe_intermediate_size=32, num_experts=4, num_experts_per_tok=2, use_expert_bias=True, num_dense_layers=1, layer_types=["conv", "conv", "full_attention", "conv"]),
 "lille-130m": dict(block_size=CONTEXT, n_embd=64, n_head=4, n_kv_heads=2, n_layer=4),
 "llama": dict(rope_scaling=LLAMA3), "llama_swa": dict(_module="llama", layer_types=[SLIDING, FULL, SLIDING, FULL], sliding_window=WINDOW),
 "mistral": dict(_module="llama", model_type="mistral"),
 "llama4": dict(text_config=LLAMA4), "llama4_text": dict(intermediate_size_mlp=96, no_rope_layers=[1, 1, 1, 0], use_qk_norm=True),
 "longcat_flash": LONGCAT, "longcat_flash_ngram": LONGCAT | dict(ngram_vocab_size_ratio=2, emb_neighbor_num=3, emb_split_num=2),
 "mamba": dict(state_size=8, conv_kernel=4, use_bias=False, use_conv_bias=True, time_step_rank=4),
 "falcon_mamba": dict(_module="mamba", model_type="falcon_mamba", state_size=8, conv_kernel=4, use_bias=False, use_conv_bias=True, time_step_rank=4, use_bcdt_rms=True),
 "mamba2": dict(num_heads=8, state_size=16, conv_kernel=4, n_groups=1, use_bias=False, use_conv_bias=True, time_step_limit=[0.0, 1000.0], time_step_rank="auto"),
 "mellum": MOE | dict(sliding_window=WINDOW, layer_types=[SLIDING, SLIDING, SLIDING, FULL], rope_parameters={FULL: dict(rope_type="default", rope_theta=1e4), SLIDING: dict(rope_type="default", rope_theta=1e4)}),
 "mimo": dict(num_nextn_predict_layers=0),
 "mimo_v2_flash": DEEPSEEK_MOE | dict(hybrid_layer_pattern=[0, 1, 1, 1], moe_layer_freq=[0, 1, 1, 1], add_swa_attention_sink_bias=True, add_full_attention_sink_bias=False, sliding_window_size=WINDOW, topk_method="noaux_tc", scoring_func="sigmoid", layernorm_epsilon=1e-5, swa_rope_theta=1e4, swa_num_attention_heads=4, swa_num_key_value_heads=4, v_head_dim=8, swa_head_dim=16, swa_v_head_dim=8, partial_rotary_factor=0.5, n_group=1),
 "minicpm": dict(dim_model_base=64, scale_depth=1.4, scale_emb=12),
 "minicpm3": MLA | dict(dim_model_base=64, scale_depth=1.4, scale_emb=12, rope_scaling=dict(type="longrope", long_factor=[2.0]*4, short_factor=[1.0]*4, original_max_position_embeddings=64)),
 "minimax": dict(num_experts_per_tok=2, num_local_experts=4, shared_intermediate_size=0, rotary_dim=8),
 "minimax_m3_vl": dict(text_config=BASE | dict(model_type="minimax_m3_text", dense_intermediate_size=96, shared_intermediate_size=32, intermediate_size=32, num_local_experts=4, num_experts_per_tok=2, rotary_dim=8, mlp_layer_types=["dense", "sparse", "sparse", "sparse"], layer_types=["full_attention", "minimax_m3_sparse", "minimax_m3_sparse", "full_attention"], index_n_heads=2, index_head_dim=16, index_block_size=16, index_topk_blocks=2, index_local_blocks=1)),
 "ministral3": dict(rope_parameters=dict(rope_type="yarn", type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=1e4, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1), layer_types=[SLIDING, FULL, SLIDING, FULL], sliding_window=WINDOW),
 "ministral3_full": dict(_module="ministral3", rope_parameters=dict(rope_type="yarn", type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=1e4, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1)),
 "mistral3": dict(text_config=BASE | dict(model_type="ministral3", rope_parameters=dict(rope_type="yarn", type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=1e4, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1))),
 "mistral4": DEEPSEEK_MOE | MLA | dict(rope_interleave=True, rope_parameters=dict(rope_type="yarn", type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=1e4, beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1)),
 "mixtral": dict(num_experts_per_tok=2, num_local_experts=4),
 "muse_glimmer": dict(sliding_window=WINDOW, layer_types=[SLIDING, SLIDING, SLIDING, FULL]),
 "muse_spark": dict(text_config=BASE | dict(post_norm_eps=1e-8, rope_parameters=dict(rope_theta=1e4, rope_type="default"), layer_rope_theta=[1e4]*4, layer_types=[SLIDING, SLIDING, SLIDING, FULL], sliding_window=WINDOW, final_logit_softcapping=20.0, output_multiplier=1.0, num_local_experts=4, num_experts_per_tok=2, moe_hidden_size=64, moe_intermediate_size=32, mlp_layer_types=["sparse"]*4)),
 "nanbeige": dict(num_loops=2), "nanochat": {},
 "nemotron-nas": dict(block_configs=[dict(attention=dict(n_heads_in_group=2), ffn=dict(ffn_mult=1.5)), dict(attention=dict(no_op=True), ffn=dict(ffn_mult=1.0)), dict(attention=dict(replace_with_linear=True), ffn=dict(ffn_mult=1.0)), dict(attention=dict(n_heads_in_group=4), ffn=dict(no_op=True))]),
 "nemotron": dict(hidden_act="relu2"),
 "nemotron_h": DEEPSEEK_MOE | dict(hybrid_override_pattern="M*ME-", num_hidden_layers=5, mamba_num_heads=4, mamba_head_dim=16, mamba_proj_bias=False, ssm_state_size=16, conv_kernel=4, n_groups=1, use_bias=False, use_conv_bias=True, moe_shared_expert_intermediate_size=32, time_step_limit=[0.0, 1000.0], n_group=1),
 "olmo": dict(d_model=64, n_layers=4, n_heads=4, mlp_hidden_size=96), "olmo2": {}, "olmo3": dict(sliding_window=WINDOW, layer_types=[SLIDING, SLIDING, SLIDING, FULL]),
 "olmo_hybrid": LINEAR | dict(linear_allow_neg_eigval=True, layer_types=["linear_attention"]*3 + [FULL]),
 "olmoe": MOE,
 "openelm": dict(num_transformer_layers=3, model_dim=64, ffn_dim_divisor=16, num_query_heads=[4, 4, 8], num_kv_heads=[2, 2, 4], ffn_multipliers=[1.0, 1.5, 2.0]),
 "phi": dict(partial_rotary_factor=0.5, num_key_value_heads=4),
 "phi3": dict(original_max_position_embeddings=64, rope_scaling=dict(type="longrope", long_factor=[2.0]*8, short_factor=[1.0]*8)),
 "phi4mini": dict(_module="phi3", partial_rotary_factor=0.75, tie_word_embeddings=True, head_dim=None, hidden_size=128, original_max_position_embeddings=64, rope_scaling=dict(type="longrope", long_factor=[2.0]*12, short_factor=[1.0]*12)),
 "phi3small": dict(dense_attention_every_n_layers=2, ff_intermediate_size=96, gegelu_limit=20.0, blocksparse_block_size=32, blocksparse_num_local_blocks=2, blocksparse_vert_stride=2, mup_width_multiplier=1.0),
 "phimoe": dict(num_local_experts=4, num_experts_per_tok=2, original_max_position_embeddings=64, rope_scaling=dict(type="longrope", long_factor=[2.0]*8, short_factor=[1.0]*8, long_mscale=1.2, short_mscale=1.2, original_max_position_embeddings=64)),
 "phixtral": dict(num_vocab=VOCAB, model_dim=64, num_heads=4, num_layers=3, rotary_dim=8, num_experts_per_tok=2, num_local_experts=4),
 "pixtral": dict(text_config=BASE | dict(model_type="mistral")), "plamo": dict(n_shared_head=2),
 "plamo2": dict(hidden_size_per_head=16, attention_window_size=WINDOW, mamba_d_state=16, mamba_d_conv=4, mamba_num_heads=4, mamba_step=2, full_attention_idx=[3], tie_word_embeddings=True),
 "plamo3": dict(window_size=WINDOW, sliding_window=WINDOW, sliding_window_pattern=4, tie_word_embeddings=True),
 "prism_hadamard_qwen35": dict(text_config=QWEN35),
 "qwen": dict(kv_channels=16, num_attention_heads=4), "qwen2": dict(rope_scaling=YARN),
 "qwen2_moe": MOE | dict(shared_expert_intermediate_size=32), "qwen2_vl": dict(text_config=BASE | dict(model_type="qwen2", rope_scaling=dict(type="mrope", mrope_section=[2, 3, 3]))),
 "qwen3": {}, "qwen3_5": dict(text_config=QWEN35), "qwen3_5_moe": dict(text_config=QWEN35_MOE), "qwen3_moe": MOE,
 "qwen3_next": LINEAR | MOE | dict(shared_expert_intermediate_size=32, partial_rotary_factor=0.5, full_attention_interval=4),
 "qwen3_vl": dict(text_config=BASE | dict(model_type="qwen3_vl_text", rope_scaling=dict(rope_type="default", mrope_section=[2, 3, 3], mrope_interleaved=True))),
 "qwen3_vl_moe": dict(text_config=BASE | MOE | dict(model_type="qwen3_vl_moe_text", rope_scaling=dict(rope_type="default", mrope_section=[2, 3, 3], mrope_interleaved=True))),
 "recurrent_gemma": dict(conv1d_width=4, logits_soft_cap=30.0, attention_window_size=WINDOW, block_types=["recurrent", "recurrent", "attention"], num_hidden_layers=6, num_key_value_heads=1, lru_width=64, rope_theta=1e4),
 "rwkv7": dict(head_dim=16, a_low_rank_dim=8, v_low_rank_dim=8, gate_low_rank_dim=8, decay_low_rank_dim=8, num_heads=4),
 "seed_oss": dict(attention_bias=True), "smollm3": dict(no_rope_layer_interval=4),
 "solar_open": DEEPSEEK_MOE | dict(partial_rotary_factor=1.0, n_group=1, rope_scaling=None),
 "spark2_5": dict(sliding_window=WINDOW, layer_types=[SLIDING, SLIDING, SLIDING, FULL], rope_parameters={FULL: dict(rope_theta=1e4, rope_type="default"), SLIDING: dict(rope_theta=1e4, rope_type="default")}),
 "stablelm": dict(use_qkv_bias=False, partial_rotary_factor=0.25, num_key_value_heads=4), "starcoder2": dict(norm_epsilon=1e-5),
 "step3p5": dict(num_attention_groups=2, sliding_window=WINDOW, layer_types=[FULL, SLIDING, SLIDING, SLIDING], moe_num_experts=4, moe_top_k=2, moe_intermediate_size=32, share_expert_dim=32, moe_layers_enum="1,2,3", attention_other_setting=dict(attention_type=SLIDING, num_attention_heads=8, num_attention_groups=2, head_dim=16)),
 "talkie": dict(), "telechat3": dict(), "youtu_llm": MLA,
}


def config(name: str) -> tuple[str, dict[str, Any]]:
    """The module of mlx-lm and the whole configuration of an entry."""
    special = dict(FAMILIES[name])
    module = special.pop("_module", name)
    full = BASE | {"model_type": module} | special
    return module, {key: value for key, value in full.items() if not (key == "head_dim" and value is None)}


SMALL_EMBEDDINGS = ("gemma", "gemma2", "gemma3n", "gemma4", "gemma4_moe", "lfm2", "lfm2_moe", "afm7", "falcon_h1", "rwkv7", "mamba2", "plamo2", "plamo3")
ENTRIES = (*FAMILIES, *(f"{name}:e" for name in SMALL_EMBEDDINGS))
"""What the sweep runs; `:e` have small embeddings, because random logits saturate there and would hide a fault."""
