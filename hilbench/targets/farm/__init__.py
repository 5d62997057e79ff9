"""The way to boards of a labgrid farm: a process that speaks to labgrid's coordinator and holds a place for a run.

`client` is our side, `keeper` is that process, `session` what it asks of labgrid; `choose` says which place is meant.
"""
