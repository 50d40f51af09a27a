"""The pages and the API: for browsers and for the CRM."""
