"""Interactive views: a trait is state, what shows is a function of it."""
