// Package lines writes what a member under churn tells its test, as churn_lines.py describes it.
package lines

import (
	"encoding/json"
	"os"
	"sync"
	"time"
)

// GiveUp is how long a member takes over what it has read before it gives it up.
const GiveUp = 250 * time.Millisecond

var writing sync.Mutex

// Facts are the fields of a line besides the time and the event.
type Facts map[string]any

// Say writes one line.
func Say(event string, facts Facts) {
	line := Facts{"event": event}
	for name, fact := range facts {
		line[name] = fact
	}
	writing.Lock()
	defer writing.Unlock()
	line["at"] = float64(time.Now().UnixMicro()) / 1e6
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(text, '\n'))
}

// SayPartitions writes a line about partitions.
func SayPartitions(event string, partitions []int32) {
	if partitions == nil {
		partitions = []int32{}
	}
	Say(event, Facts{"partitions": partitions})
}

// SayRecord writes that a record was read.
func SayRecord(partition int32, offset int64) {
	Say("record", Facts{"partition": partition, "offset": offset})
}
