"""The offline verifier: receipts, bundles and whole logs. It imports nothing else of the gateway.

It can be copied and read alone: Python's own library, and `cryptography` for Ed25519.
"""
