"""One model a process: the runtime, the link to the gateway, and an engine per modality."""
