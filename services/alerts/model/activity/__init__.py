"""How active a customer still is: a purchase rate that forgets, fitted from the base (methods.md, Activity)."""
