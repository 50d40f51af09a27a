"""The real switch: Asterisk over AMI."""
