"""The demo's books: real purchases, and around them made customers' names, account managers, due dates and payments."""
