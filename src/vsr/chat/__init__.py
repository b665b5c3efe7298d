"""What clients say: OpenAI chat completions in and out. Parsed where we rewrite, untouched otherwise."""
