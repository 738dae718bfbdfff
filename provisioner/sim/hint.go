package sim

// word is what a probe told: how much was guessed of its film, and how much
// it is.
type word struct{ at, guessed, is float64 }

// hint is what the probes of its partner tell of a film before its own: how
// many times the guess it takes, and which share of that is as good as known.
type hint struct{ factor, trust float64 }

// hinted is what hints are kept by, until another probe ends.
type hinted struct {
	partner int
	minute  int // of the arrival
}

// tell takes in what the probe of a film tells.
func (w *world) tell(f *film, at float64) {
	const words = 64
	p := w.priors[f.kin]
	all := append(w.told[f.partner], word{at, f.bytes * p.likely, f.estimate(p, hint{}).likely})
	w.told[f.partner] = all[max(0, len(all)-words):]
	clear(w.hints)
}

// hint tells it as estimate.Told of the queue does. Films that came together
// are told the same.
func (w *world) hint(f *film) hint {
	if f.phase != waiting {
		return hint{}
	}
	k := hinted{f.partner, int(f.arrived / 60)}
	h, ok := w.hints[k]
	if !ok {
		h = hintOf(w.told[f.partner], float64(k.minute*60))
		w.hints[k] = h
	}
	return h
}

func hintOf(told []word, arrived float64) hint {
	const together = 15 * 60
	guessed, is, n := 0.0, 0.0, 0.0
	for _, t := range told {
		if t.at > arrived-together {
			guessed, is, n = guessed+t.guessed, is+t.is, n+1
		}
	}
	if n == 0 {
		return hint{factor: 1}
	}
	return hint{is / guessed, min(0.4, n/(n+8))}
}
