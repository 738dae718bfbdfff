package s3_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"bobine/storage"
	"bobine/storage/s3"
)

// A body of unknown length has parts that grow, also beyond what is held of
// smaller ones; one of known length has equal parts, few enough for S3.
func TestParts(t *testing.T) {
	st := newStand(t)
	st.answer = func(w http.ResponseWriter, r *http.Request) { takeParts(w, r) }
	s := open(t, s3.Options{Bucket: "films", Endpoint: st.URL})
	defer s3.SetSizes(10, 40, 8, 3, 20)()
	text := strings.Repeat("0123456789", 20)
	for _, c := range []struct {
		intent string
		body   io.Reader
		bytes  int
		want   []int // the first parts
		parts  int
	}{
		{"a stream that grows", io.MultiReader(strings.NewReader(text[:155])), 155, []int{10, 10, 10, 40, 40, 40, 5}, 7},
		{"a stream that ends with a part", io.MultiReader(strings.NewReader(text[:30])), 30, []int{10, 10, 10}, 3},
		{"a file", strings.NewReader(text[:45]), 45, []int{10, 10, 10, 10, 5}, 5},
		{"a file that is long", strings.NewReader(text[:150]), 150, []int{20, 20, 20, 20, 20, 20, 20, 10}, 8},
	} {
		st.asked = nil
		if o, err := s.Put(t.Context(), "film", c.body, storage.PutOptions{}); err != nil || o.Bytes != int64(c.bytes) {
			t.Errorf("%s: %+v, %v", c.intent, o, err)
		}
		parts := map[int]string{}
		for _, r := range st.asked {
			if n, err := strconv.Atoi(r.URL.Query().Get("partNumber")); err == nil {
				parts[n] = r.body
			}
		}
		var whole strings.Builder
		for n := 1; n <= len(parts); n++ {
			whole.WriteString(parts[n])
			if n <= len(c.want) && len(parts[n]) != c.want[n-1] {
				t.Errorf("%s: part %d has %d bytes, want %d", c.intent, n, len(parts[n]), c.want[n-1])
			}
		}
		if len(parts) != c.parts || whole.String() != text[:c.bytes] {
			t.Errorf("%s: %d parts with %d bytes, want %d with %d", c.intent, len(parts), whole.Len(), c.parts, c.bytes)
		}
	}
	endless := io.MultiReader(strings.NewReader(text), strings.NewReader(text))
	if o, err := s.Put(t.Context(), "film", endless, storage.PutOptions{}); err == nil || !strings.Contains(err.Error(), "put it from a file") {
		t.Errorf("a stream that does not end: %+v, %v", o, err)
	}
}
