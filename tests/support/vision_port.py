"""The project's Qwen2.5-VL behind the names of the shared `check_port.py`: a thin mapping of its public functions."""
