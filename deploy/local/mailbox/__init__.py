"""The catch-all mailbox: an SMTP server that takes every mail, and a page to read them. No mail leaves this machine."""
