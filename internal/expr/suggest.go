package expr

// didYouMean gives the hint for a misspelt name, or nothing.
func didYouMean(name string, candidates []string) string {
	if name == "" || len(name) > 64 {
		return ""
	}
	limit := 3
	switch {
	case len(name) <= 4:
		limit = 1
	case len(name) <= 10:
		limit = 2
	}
	best, closest := limit+1, ""
	for _, c := range candidates {
		if d := editDistance(name, c); c != name && d < best {
			best, closest = d, c
		}
	}
	if closest == "" {
		return ""
	}
	return "; did you mean " + quoteSource(closest) + "?"
}

// editDistance counts insertions, deletions, replacements and swaps of neighbours.
func editDistance(a, b string) int {
	var before []int
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := 1; i <= len(a); i++ {
		current := make([]int, len(b)+1)
		current[0] = i
		for j := 1; j <= len(b); j++ {
			d := min(previous[j]+1, current[j-1]+1, previous[j-1]+boolInt(a[i-1] != b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, before[j-2]+1)
			}
			current[j] = d
		}
		before, previous = previous, current
	}
	return previous[len(b)]
}
