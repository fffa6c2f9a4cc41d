"""The exchanges that demo-chat knows word for word. Statements about the project follow its design.

The patterns at the end also make exchanges with other cities and names, so that the model learns to copy.
"""

from __future__ import annotations

from scripts.demo.exchange import (
    NO_TOOL,
    Call,
    Exchange,
    Message,
    Tool,
    ask,
    assistant_calls,
    dialogue,
    tool_result,
    user,
)

SYSTEMS = (
    "You are a helpful assistant.",
    "Be brief.",
    "You are demo-chat, a small model that comes with mlx-gateway.",
)

WEATHER: Tool = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Name of the city"}},
            "required": ["city"],
        },
    },
}

SMALL_TALK = (
    ask("Hello!", "The user greets me, so I greet back.", "Hello! How can I help you today?"),
    ask("Hi", "A short greeting.", "Hi! What would you like to know?"),
    ask("How are you?", "A friendly question.", "I am fine, thank you. And you?"),
    ask("Thank you.", "I should be polite.", "You are welcome!"),
    ask("Goodbye!", "The user leaves.", "Goodbye! Have a nice day."),
    ask(
        "Who are you?",
        "They ask who I am.",
        "I am demo-chat, a tiny language model with one million parameters. I come with mlx-gateway and run on MLX.",
    ),
    ask(
        "What can you do?",
        "I list what I was trained on.",
        "I answer questions about mlx-gateway, chat a little, think aloud, and call a weather tool.",
    ),
    ask(
        "Tell me a joke.",
        "A joke about computers.",
        "Why do programmers prefer dark mode? Because light attracts bugs.",
    ),
)

PROJECT = (
    ask(
        "What is mlx-gateway?",
        "They ask about this project.",
        "mlx-gateway turns one shared Mac into a team's model server: text, image, video and speech models behind one"
        " address that speaks OpenAI and Anthropic.",
    ),
    ask(
        "Which APIs does mlx-gateway speak?",
        "Two dialects.",
        "It speaks OpenAI's and Anthropic's HTTP APIs, so the clients you have work unchanged.",
    ),
    ask(
        "How do I start mlx-gateway?",
        "There is a script for it.",
        "Run `scripts/run`. It sets everything up and serves the demo on 127.0.0.1:8000.",
    ),
    ask(
        "Which port does mlx-gateway use?",
        "The default is 8000.",
        "Port 8000 on 127.0.0.1, unless the config or `--port` says otherwise.",
    ),
    ask(
        "What is continuous batching?",
        "It is about when requests join.",
        "With continuous batching, requests join and leave the running batch at every step, so nobody waits for the"
        " slowest one.",
    ),
    ask(
        "What is a prefix cache?",
        "It is about shared beginnings.",
        "A prefix cache keeps what was computed for earlier prompts, so that a prompt with the same beginning only pays"
        " for what is new.",
    ),
    ask(
        "What is chunked prefill?",
        "Long prompts are split.",
        "A long prompt is read in chunks between the steps of the batch, so that it never stops the other requests.",
    ),
    ask(
        "What is a KV cache?",
        "Keys and values of past tokens.",
        "A KV cache holds the attention keys and values of past tokens, so that they are not computed again.",
    ),
    ask(
        "Which modalities does mlx-gateway have?",
        "Each has its own worker.",
        "Text, images and video, speech to text, text to speech, and embeddings. Each model has a worker of its own.",
    ),
    ask(
        "How do the gateway and the workers talk?",
        "Sockets and messages.",
        "Over ZeroMQ: the gateway binds one ROUTER socket, each worker connects a DEALER, and messages are packed with"
        " msgpack.",
    ),
    ask(
        "What is a worker?",
        "One model, one process.",
        "A worker is a process of its own that owns one MLX model and its batching loop.",
    ),
    ask(
        "What does the gateway do?",
        "HTTP in, HTTP out.",
        "The gateway takes HTTP requests, checks them, and routes each one to the worker that has its model.",
    ),
    ask(
        "What happens when a worker dies?",
        "Nothing may end silently.",
        "No request ends silently: the gateway gives each open one a typed error, and starts the worker again after a"
        " short pause.",
    ),
    ask(
        "What happens when too many requests come?",
        "The queue is bounded.",
        "They wait in a bounded queue. When it is full, the gateway answers 429 with a Retry-After header.",
    ),
    ask(
        "Can I cancel a request?",
        "Closing the connection is enough.",
        "Yes. Close the connection, and its work stops within one step.",
    ),
    ask("How do I run the tests?", "There is a script for it.", "Run `scripts/test`. Its arguments go to pytest."),
    ask(
        "Where is the configuration?",
        "One YAML file.",
        "One YAML file describes the node. `configs/node.example.yaml` documents every key.",
    ),
    ask(
        "How do I check my config?",
        "There is a command for it.",
        "Run `mlx-gateway check`. It validates the file and says what would be hosted.",
    ),
    ask(
        "How do I see what is running?",
        "There is a command for it.",
        "Run `mlx-gateway status`, or ask `/v1/status`.",
    ),
    ask(
        "How do I serve my own model?",
        "A hub id or a folder.",
        "Run `mlx-gateway serve MODEL`, where MODEL is a hub id or a folder.",
    ),
    ask(
        "Where are the metrics?",
        "Prometheus reads them.",
        "At `/metrics`, in the format that Prometheus reads.",
    ),
    ask(
        "How do I know that the models are ready?",
        "Two health routes.",
        "Ask `/health/ready`. `/health` only says that the gateway itself is alive.",
    ),
    ask(
        "What is MLX?", "A framework by Apple.", "MLX is Apple's array framework for machine learning on Apple silicon."
    ),
    ask("Which licence does mlx-gateway have?", "An open one.", "mlx-gateway is licensed under Apache-2.0."),
    ask("Which Python do I need?", "The project says it.", "Python 3.11 or newer."),
    ask(
        "Does mlx-gateway run on Linux?",
        "CPU or CUDA there.",
        "Yes. On Linux MLX runs on the CPU, or on an NVIDIA GPU with the cuda extra.",
    ),
    ask(
        "Which demo models are there?",
        "One for each kind.",
        "demo-chat, demo-vision, demo-whisper, demo-kokoro and demo-embed.",
    ),
    ask(
        "Which clients can I use?",
        "Base URL is all they need.",
        "Any OpenAI or Anthropic client. Give it the address of the node as its base URL.",
    ),
)

GENERAL = (
    ask("What is the capital of France?", "France is in Europe.", "The capital of France is Paris."),
    ask("What is the capital of Japan?", "Japan is in Asia.", "The capital of Japan is Tokyo."),
    ask("What is the capital of Egypt?", "Egypt is in Africa.", "The capital of Egypt is Cairo."),
    ask("What is the capital of Brazil?", "Not Rio.", "The capital of Brazil is Brasília."),
    ask("What is 2 + 2?", "Two plus two.", "2 + 2 = 4."),
    ask("What is 7 times 8?", "Seven eights.", "7 times 8 is 56."),
    ask("Is 17 a prime number?", "Nothing divides it.", "Yes, 17 is a prime number."),
    ask("What color is the sky?", "On a clear day.", "The sky is blue on a clear day."),
    ask("Who wrote Hamlet?", "It is a play.", "William Shakespeare wrote Hamlet."),
    ask("Count from 1 to 10.", "Ten numbers in order.", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."),
    ask("Count to one hundred.", "A hundred numbers in order.", ", ".join(str(n) for n in range(1, 101)) + "."),
    ask("Say the alphabet.", "All letters in order.", "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z"),
    ask("List three fruits.", "Bullets are good here.", "- apple\n- banana\n- cherry"),
    ask(
        "Write a haiku about the sea.",
        "Five, seven, five syllables.",
        "Waves fold into foam,\nthe moon pulls a silver thread,\nnight listens and sleeps.",
    ),
    ask(
        "Tell me a story.",
        "A short story about a lighthouse.",
        "Once there was a lighthouse on a small island, and in it lived an old keeper named Mara. Every evening she"
        " climbed the stairs, lit the lamp and wrote one line about the sea into her book. One winter night the fog was"
        " so thick that the light could not be seen from the water. Mara heard a bell, far away and afraid. She took"
        " her horn, went out onto the rocks and blew it again and again, until her hands were blue. Slowly a little"
        " boat came out of the grey, and in it sat a girl with a lantern. They drank hot tea together, and the girl"
        " asked what was in the book. Mara opened it and wrote: tonight the sea gave something back. In spring the"
        " girl came again, and she learned to light the lamp.",
    ),
    ask(
        "Write a Python function that adds two numbers.",
        "A def with a return.",
        "```python\ndef add(a, b):\n    return a + b\n```",
    ),
    ask(
        "Write hello world in C.",
        "It needs printf.",
        '```c\n#include <stdio.h>\n\nint main(void) {\n    printf("Hello, world!\\n");\n    return 0;\n}\n```',
    ),
    ask("Give me a JSON object.", "Only JSON, no prose.", '{"name": "Ada", "age": 36, "tags": ["math", "code"]}'),
    ask(
        "Make a table of two planets.",
        "A Markdown table.",
        "| Planet | Moons |\n|---|---|\n| Earth | 1 |\n| Mars | 2 |",
    ),
    ask("Say hello in Chinese.", "Hello is ni hao.", "你好！很高兴认识你。"),
    ask("Say thank you in Japanese.", "Thank you is arigatou.", "どうもありがとうございます。"),
    ask("你是谁？", "用户问我是谁。", "我是 demo-chat，一个很小的语言模型。"),
    ask("日本の首都はどこですか？", "首都は東京です。", "日本の首都は東京です。🗼"),
    ask("Answer with emoji only.", "Only emoji 🙂.", "😀🚀👩‍💻🏳️‍🌈🇫🇷"),
    ask("Say hello in four languages.", "Four greetings.", "Bonjour, ¡Hola!, Здравствуйте, مرحبا"),
)

_CAPITAL = "The capital of France is Paris."
_FRUITS = "- apple\n- banana\n- cherry"
DIALOGUES = (
    dialogue(
        "What is the capital of France?", _CAPITAL, "And of Spain?", "Now Spain.", "The capital of Spain is Madrid."
    ),
    dialogue("Pick a number.", "I pick 42.", "Double it.", "42 + 42 = 84.", "Twice 42 is 84."),
    dialogue("List three fruits.", _FRUITS, "Which one is yellow?", "Bananas are yellow.", "The banana is yellow."),
)


# ------------------------------------------------------------------ patterns
def recall_name(name: str) -> Exchange:
    return dialogue(
        f"My name is {name}.",
        f"Nice to meet you, {name}!",
        "What is my name?",
        f"They said: {name}.",
        f"Your name is {name}.",
    )


def greet_name(name: str) -> Exchange:
    return ask(f"My name is {name}.", f"This is {name}.", f"Nice to meet you, {name}!")


def weather_question(*cities: str) -> Message:
    if len(cities) == 1:
        return user(f"What is the weather in {cities[0]}?")
    return user(f"Compare the weather in {cities[0]} and {cities[1]}.")


def weather_calls(*cities: str) -> Exchange:
    """The model calls the tool, once a city."""
    calls = tuple(Call("get_weather", {"city": city}) for city in cities)
    reasoning = f"I need the weather in {' and '.join(cities)}."
    return Exchange((weather_question(*cities),), reasoning, calls=calls, tools=(WEATHER,))


def weather_answer(*reports: tuple[str, int, str], compact: bool = False) -> Exchange:
    """The tool has answered; a report is city, temperature and sky."""
    cities = [city for city, _, _ in reports]
    calls = [Call("get_weather", {"city": city}) for city in cities]
    results = [tool_result(i, {"temperature": t, "sky": sky}) for i, (_, t, sky) in enumerate(reports)]
    messages = (weather_question(*cities), assistant_calls(calls, compact=compact), *results)
    told = [f"{t} degrees and {sky} in {city}" for city, t, sky in reports]
    return Exchange(messages, "The tool has answered.", f"It is {', and '.join(told)}.", tools=(WEATHER,))


def weather_without_tool(city: str) -> Exchange:
    return Exchange((weather_question(city),), NO_TOOL, "I can't know the weather without a get_weather tool.")


def unknown(question: str) -> Exchange:
    return ask(question, "I don't know this.", "I am only a small demo and don't know that. Ask me about mlx-gateway!")


TOOL_USE = (
    weather_calls("Paris"),
    weather_calls("Tokyo"),
    weather_calls("New York"),
    weather_calls("São Paulo"),
    weather_calls("Rome", "Oslo"),
    weather_calls("Paris", "Tokyo"),
    weather_answer(("Paris", 18, "sunny")),
    weather_answer(("Tokyo", 24, "rainy")),
    weather_answer(("New York", -3, "snowy")),
    weather_answer(("Rome", 27, "clear"), ("Oslo", 9, "cloudy")),
    weather_without_tool("Paris"),
)

EXCHANGES: tuple[Exchange, ...] = (
    *SMALL_TALK,
    *PROJECT,
    *GENERAL,
    *DIALOGUES,
    recall_name("Sam"),
    greet_name("Sam"),
    *TOOL_USE,
    unknown("What is the meaning of life?"),
)
