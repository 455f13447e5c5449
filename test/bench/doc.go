// Package bench measures the real command against what is the least that its work can
// cost, in one run on one machine, so that the ratios mean something where the
// absolute figures do not. "make bench" runs it and prints docs/benchmarks.md's
// figures; it is built with the tag bench alone.
package bench
