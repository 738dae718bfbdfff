package sim

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
)

// trace is what was seen of a pool: how many machines could be had, at equal
// distances in time. It is the form of github.com/skypilot-org/spot-traces.
type trace struct {
	Metadata struct {
		Gap float64 `json:"gap_seconds"`
	} `json:"metadata"`
	Data []float64 `json:"data"`
}

func (s *Market) traces() (map[string]trace, error) {
	all := map[string]trace{}
	for where, file := range s.Traces {
		t, err := readTrace(file)
		if err != nil {
			return nil, err
		}
		all[where] = t
	}
	return all, nil
}

func readTrace(file string) (trace, error) {
	var t trace
	text, err := os.ReadFile(file)
	if err != nil {
		return t, fmt.Errorf("read trace: %w", err)
	}
	if err := json.Unmarshal(text, &t); err != nil {
		return t, fmt.Errorf("trace %s: %w; it must be {\"metadata\":{\"gap_seconds\":N},\"data\":[n,…]}", file, err)
	}
	if t.Metadata.Gap <= 0 || len(t.Data) == 0 || slices.Max(t.Data) <= 0 || slices.Min(t.Data) < 0 {
		return t, fmt.Errorf("trace %s: gap_seconds and some of data must be more than 0, and none less", file)
	}
	return t, nil
}

// history replays the trace from a place in it, over and over. Its greatest
// number means that the pool is as full as it can be: most traces tell only
// whether one machine could be had.
func (t trace) history(full, end, from float64) []step {
	most := slices.Max(t.Data)
	n := int(from * float64(len(t.Data)))
	var out []step
	for at := 0.0; at < end; at, n = at+t.Metadata.Gap, n+1 {
		x := float64(int(full * t.Data[n%len(t.Data)] / most))
		if len(out) == 0 || out[len(out)-1].value != x {
			out = append(out, step{at, x})
		}
	}
	return out
}
