"""The OpenAPI document: Litestar's, completed from what the routes declare."""
