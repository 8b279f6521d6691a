// Command changefeed publishes the committed changes of databases on topics and
// runs the pillows that keep indexes and tables in step with them.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
