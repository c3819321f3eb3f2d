"""HTTP of the service: application, routes, forms, requests, responses, the OpenAPI document."""
