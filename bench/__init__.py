"""The benchmark: what telemetry costs per request, ours and that of the peers, measured on this machine.

`python -m bench run` compares servers under load, `python -m bench paired` set-ups inside one process.
Standard library only; what is measured runs in virtual environments of its own, outside the tree.
"""
