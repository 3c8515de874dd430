// Package workflows carries out a plan durably: it alone decides what happens next in a run, and it
// decides the same from the same history, however often a worker dies.
package workflows
