package main

import "slices"

// spread is the median of some figures with their minimum and maximum.
type spread struct{ min, median, max float64 }

// spreadOf needs at least one figure.
func spreadOf(figures []float64) spread {
	sorted := slices.Sorted(slices.Values(figures))
	n := len(sorted)
	return spread{min: sorted[0], median: (sorted[(n-1)/2] + sorted[n/2]) / 2, max: sorted[n-1]}
}
