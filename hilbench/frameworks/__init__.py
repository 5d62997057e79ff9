"""The frameworks: each turns a model into something that runs behind `firmware/agent/hb_model.h`."""
