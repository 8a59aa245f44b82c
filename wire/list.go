package wire

// Set returns items without duplicates, or nil if there are none: an empty list means no restriction.
func Set[T comparable](items []T) []T {
	if len(items) == 0 {
		return nil
	}
	var unique []T
	seen := make(map[T]bool, len(items)) // a body can hold half a million items
	for _, item := range items {
		if !seen[item] {
			seen[item] = true
			unique = append(unique, item)
		}
	}
	return unique
}

// Channels returns items without duplicates. An empty list stays empty, and core rejects it: clients that want all
// messages send null.
func Channels(items []string) []string {
	if items != nil && len(items) == 0 {
		return items
	}
	return Set(items)
}
