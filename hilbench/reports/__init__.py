"""Reports: records made readable. A report shows the basis of every value and never mixes two in one column."""
