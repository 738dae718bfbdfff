package storage

import (
	"cmp"
	"slices"
	"sort"
)

// Span is the bytes of an object from one place on up to another.
type Span struct{ From, To int64 }

// Spans are in order, none is empty, and none touches the next. Merge makes
// them.
type Spans []Span

// Merge makes one set of all.
func Merge(all ...Span) Spans {
	all = slices.DeleteFunc(slices.Clone(all), func(s Span) bool { return s.To <= s.From })
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var out Spans
	for _, s := range all {
		if n := len(out); n > 0 && s.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, s.To)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// Bytes is how many there are.
func (s Spans) Bytes() int64 {
	var n int64
	for _, x := range s {
		n += x.To - x.From
	}
	return n
}

// In is what of them lies in a span.
func (s Spans) In(in Span) Spans {
	var out Spans
	for _, x := range s[s.after(in.From):] {
		if x.From >= in.To {
			break
		}
		out = append(out, Span{max(x.From, in.From), min(x.To, in.To)})
	}
	return out
}

// Outside is what of a span lies in none of them.
func (s Spans) Outside(of Span) Spans {
	var out Spans
	for _, x := range s[s.after(of.From):] {
		if x.From >= of.To {
			break
		}
		if x.From > of.From {
			out = append(out, Span{of.From, x.From})
		}
		of.From = x.To
	}
	if of.From < of.To {
		out = append(out, of)
	}
	return out
}

// after is the first that ends after a place.
func (s Spans) after(at int64) int {
	return sort.Search(len(s), func(i int) bool { return s[i].To > at })
}
