// The two ends of the benchmark's wire: `wire sink` takes telemetry and counts it, `wire load` sends the request mix.
// Standard library only, loopback only, and bounded: both end by themselves.
package main

import (
	"fmt"
	"os"
)

func main() {
	commands := map[string]func([]string) error{"sink": sink, "load": load}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: wire sink|load [flags]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "wire:", err)
		os.Exit(1)
	}
}
