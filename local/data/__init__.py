"""A day of orders for the local night, and its figures reckoned a second time without Spark."""
