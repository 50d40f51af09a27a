"""The sales funnel: stages that contacts and deals pass."""
