// Package facts prints what a program saw: one line of JSON for each feature.
package facts

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Facts are what a feature saw, by name.
type Facts map[string]any

// Codecs are the compressions that a batch may have.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Arguments are the bootstrap servers and the prefix of every name that the program may use.
func Arguments() (string, string) {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: program [OPTION...] BOOTSTRAP PREFIX")
		os.Exit(2)
	}
	return os.Args[len(os.Args)-2], os.Args[len(os.Args)-1]
}

// Feature runs one feature and prints its facts; an error or a panic is a fact as well.
func Feature(name string, run func() (Facts, error)) {
	seen, err := guarded(run)
	line := map[string]any{"feature": name, "ok": err == nil}
	for key, value := range seen {
		line[key] = value
	}
	if err != nil {
		line["error"] = err.Error()
	}
	text, _ := json.Marshal(line)
	fmt.Println(string(text))
}

func guarded(run func() (Facts, error)) (seen Facts, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%v", problem)
		}
	}()
	return run()
}

// Must ends a feature that cannot go on.
func Must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// Check ends a feature that cannot go on.
func Check(err error) {
	if err != nil {
		panic(err)
	}
}

// Soon asks until it is so; a broker may answer before all of it knows.
func Soon(so func() bool) bool {
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if so() {
			return true
		}
	}
	return false
}

// Key, Value and Header are those of record number i; a value is long enough to be worth compressing.
func Key(i int) string    { return fmt.Sprintf("key-%d", i) }
func Value(i int) string  { return fmt.Sprintf("value-%d-%0200d", i, i) }
func Header(i int) string { return fmt.Sprintf("header-%d", i) }

// RoundTrip counts the records that are as they were made; part gives key, value and first header of the i-th read.
func RoundTrip(count int, part func(i int) (key, value, header string)) Facts {
	keys, values, headers := 0, 0, 0
	for i := range count {
		key, value, header := part(i)
		keys += when(key == Key(i))
		values += when(value == Value(i))
		headers += when(header == Header(i))
	}
	return Facts{"keys": keys, "values": values, "headers": headers}
}

func when(so bool) int {
	if so {
		return 1
	}
	return 0
}

// RestartBroker asks whoever runs this program to stop the broker in good order and to start it again.
func RestartBroker() {
	fmt.Println(`{"please": "restart the broker"}`)
	answer, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	if answer = strings.TrimSpace(answer); answer != "done" {
		Check(errors.New("nobody restarted the broker: " + answer))
	}
}
