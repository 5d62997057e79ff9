/* Stands in for TVM's header of this name: C that TVM generated without its packed ABI needs nothing of it.
 */
