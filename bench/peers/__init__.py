"""Servers that people run today, each as two federated ones on this machine, under Tombolo's load."""
