// Package activities is the contract between a run and what it does to the world: what an action
// declares, what it is told, and the activities through which the run workflow works.
package activities
