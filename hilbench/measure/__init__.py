"""Measurement: raw samples become metrics, each with its unit and the basis it stands on."""
