"""YAML in, validated models of numbers, managers, queues and trees out."""
