"""Who calls?  A CRM is asked when a call begins, and the call waits for it a moment at most."""
