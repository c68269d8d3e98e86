// Command kfake serves the lookalike of franz-go on one port of the loopback, with its data in a directory.
package main

import (
	"flag"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/twmb/franz-go/pkg/kfake"
)

func main() {
	port := flag.Int("port", 29092, "the port to listen on")
	data := flag.String("data", "", "where the data is kept; in memory only, if empty")
	flag.Parse()

	options := []kfake.Opt{kfake.Ports(*port)}
	if *data != "" {
		options = append(options, kfake.DataDir(*data))
	}
	cluster, err := kfake.NewCluster(options...)
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()

	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	<-ended
}
