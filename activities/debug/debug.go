// Package debug holds the actions with which a template author sees what a run does.
package debug

// Nothing is the output of actions that have none.
type Nothing struct{}
