package wire

// Set is a list without repetitions, nil if it is empty: to name none is to leave it open.
func Set[T comparable](items []T) []T {
	if len(items) == 0 {
		return nil
	}
	var unique []T
	seen := make(map[T]bool, len(items)) // a body has room for half a million of them
	for _, item := range items {
		if !seen[item] {
			seen[item] = true
			unique = append(unique, item)
		}
	}
	return unique
}

// Channels is a list without repetitions. An empty one stays empty, and core refuses it: who means
// all messages says null.
func Channels(items []string) []string {
	if items != nil && len(items) == 0 {
		return items
	}
	return Set(items)
}
