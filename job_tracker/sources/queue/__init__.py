"""The serve protocol, over any transport: take, confirm, and what a watermark proves."""
