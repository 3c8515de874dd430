package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// row is a line of the table. What is measured stands beside what it is held against.
type row struct {
	what     string
	measured string
	against  string
	ratio    float64 // 0: the number is absolute, good on this machine only
	samples  int
}

// held makes a row of two medians.
func held(what string, measured, against time.Duration, named string, samples int) row {
	return row{
		what: what, measured: shown(measured), against: shown(against) + " " + named,
		ratio: float64(measured) / float64(against), samples: samples,
	}
}

func printTable(out io.Writer, rows []row) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tmeasured\tagainst\tratio\tsamples")
	for _, r := range rows {
		ratio := "absolute"
		if r.ratio > 0 {
			ratio = fmt.Sprintf("%.2f", r.ratio)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\n", r.what, r.measured, r.against, ratio, r.samples)
	}
	return w.Flush()
}

// shown gives a duration in three digits or so.
func shown(d time.Duration) string {
	unit := time.Duration(1)
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}

// medians times every function n times, in turns, so that whatever else the machine does meanwhile
// meets all of them alike. The first rounds warm up and don't count.
func medians(ctx context.Context, n int, fns ...func(context.Context) error) ([]time.Duration, error) {
	const warmUp = 3
	took := make([][]time.Duration, len(fns))
	for round := range warmUp + n {
		for i, fn := range fns {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			began := time.Now()
			if err := fn(ctx); err != nil {
				return nil, err
			}
			if round >= warmUp {
				took[i] = append(took[i], time.Since(began))
			}
		}
	}
	middle := make([]time.Duration, len(fns))
	for i := range took {
		middle[i] = median(took[i])
	}
	return middle, nil
}

func median(of []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(of))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}
