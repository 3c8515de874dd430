// Package nearest finds the name that somebody probably meant.
package nearest

import "strings"

// Name gives the candidate that is the fewest edits away from word, whatever the case; the first of
// equals. It gives "" if none is close enough to be a likely slip: at most a third of the word, plus one.
func Name(word string, candidates []string) string {
	best, fewest := "", len(word)/3+2
	for _, c := range candidates {
		if d := distance(strings.ToLower(word), strings.ToLower(c)); d < fewest {
			best, fewest = c, d
		}
	}
	return best
}

// distance is the number of insertions, deletions and substitutions of bytes (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
