/* Stands in for TVM's header of this name, of which C without the packed ABI needs nothing. */
