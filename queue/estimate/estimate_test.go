package estimate_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"bobine/encoder"
	"bobine/queue"
	"bobine/queue/estimate"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// film is a job of chunks of 12 s, with its tasks.
func film(codec string, height, chunks int) (queue.Job, []queue.Task) {
	rate := encoder.Rate{Num: 25, Den: 1}
	j := queue.Job{
		ID: "j", Partner: "arte", Profile: "web", State: queue.Encoding, Origin: queue.Origin{URL: "file:///f", Bytes: int64(chunks) * 5e7},
		Source: &encoder.Source{Duration: float64(chunks) * 12, Bytes: int64(chunks) * 5e7, Video: &encoder.Video{Codec: codec, Width: height * 16 / 9, Height: height, Rate: rate}},
		Ladder: &encoder.Ladder{Video: []encoder.Rendition{{Codec: "h264", Preset: "medium", Width: height * 16 / 9, Height: height, Rate: rate}}},
	}
	var tasks []queue.Task
	for i := range chunks {
		t := j.NewTask(queue.KindVideo, i, noon)
		t.Work = 12
		tasks = append(tasks, t)
	}
	return j, tasks
}

func took(t *queue.Task, seconds float64) queue.Task {
	t.State, t.Took = queue.Finished, seconds
	return *t
}

// After some films of each class the guesses fit: half of the tasks take less
// than the P50, nine of ten less than the P90, and the P50 is near the truth.
func TestLearns(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	truth := map[string]float64{"h264": 20, "prores": 35, "av1": 50} // seconds of a chunk
	var b estimate.Book
	below50, below90, n, off := 0.0, 0.0, 0.0, 0.0
	for i := range 600 {
		codec := []string{"h264", "prores", "av1"}[i%3]
		j, tasks := film(codec, 1080, 1)
		actual := truth[codec] * math.Exp(0.3*r.NormFloat64())
		if i > 90 {
			g := b.Task(j, tasks[0])
			n++
			off += math.Abs(g.P50/truth[codec] - 1)
			if actual <= g.P50 {
				below50++
			}
			if actual <= g.P90 {
				below90++
			}
		}
		b.Observe(j, took(&tasks[0], actual))
	}
	t.Logf("below P50 %.2f, below P90 %.2f, P50 off by %.3f", below50/n, below90/n, off/n)
	if p := below50 / n; p < 0.42 || p > 0.58 {
		t.Errorf("%.2f were below the P50", p)
	}
	if p := below90 / n; p < 0.84 || p > 0.96 {
		t.Errorf("%.2f were below the P90", p)
	}
	if off/n > 0.1 {
		t.Errorf("the P50 is off by %.3f", off/n)
	}
}

// A class that was never seen is guessed from what is like it, and less surely.
func TestKin(t *testing.T) {
	var b estimate.Book
	j, tasks := film("h264", 1080, 1)
	if g := b.Task(j, tasks[0]); g.Seen != 0 || g.P50 <= 0 || g.P90 < 2*g.P50 {
		t.Errorf("an empty book guesses %+v", g)
	}
	for range 30 {
		b.Observe(j, took(&tasks[0], 40))
	}
	known := b.Task(j, tasks[0])
	half, small := film("h264", 540, 1)
	if g := b.Task(half, small[0]); math.Abs(g.P50/known.P50-0.25) > 0.05 {
		t.Errorf("a quarter of the picture is guessed at %.1f s, the whole at %.1f s", g.P50, known.P50)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var again estimate.Book
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(again, b) {
		t.Errorf("the book does not survive its JSON: %v", err)
	}
}

// The chunks of a hard film correct what is expected of its others.
func TestFilmCorrectsItself(t *testing.T) {
	var b estimate.Book
	j, tasks := film("h264", 1080, 10)
	for range 30 {
		one := tasks[0]
		b.Observe(j, took(&one, 20))
	}
	b.Fill(j, tasks, tasks, 2)
	none := func(queue.Task) float64 { return 0 }
	before := b.Left(j, tasks, none)
	if math.Abs(before.Sum.P50-200) > 20 {
		t.Fatalf("10 chunks of 20 s are guessed at %.0f s", before.Sum.P50)
	}
	for i := range 4 {
		took(&tasks[i], 40)
	}
	after := b.Left(j, tasks, none)
	if want := 6 * 40.0; math.Abs(after.Sum.P50/want-1) > 0.2 {
		t.Errorf("6 chunks are guessed at %.0f s after 4 that took 40 s each, want about %.0f", after.Sum.P50, want)
	}
	if after.Sum.P90/after.Sum.P50 >= before.Sum.P90/before.Sum.P50 {
		t.Error("the film is no surer after 4 of its chunks")
	}
	half := b.Left(j, tasks, func(queue.Task) float64 { return 0.5 })
	if math.Abs(half.Sum.P50/after.Sum.P50-0.5) > 0.01 {
		t.Errorf("half done, %.0f s of %.0f s are left", half.Sum.P50, after.Sum.P50)
	}
}

// Need is the job's way to its end on the whole farm; it shrinks on the way.
func TestNeed(t *testing.T) {
	var b estimate.Book
	j, tasks := film("h264", 1080, 40)
	b.Fill(j, tasks, tasks, 4)
	verify := []queue.Task{j.NewTask(queue.KindVerify, 0, noon)}
	b.Fill(j, verify, verify, 4)
	probe := queue.Job{ID: "k", Profile: "web", Origin: queue.Origin{URL: "s3://b/k", Bytes: 2e9}}
	first := []queue.Task{probe.NewTask(queue.KindProbe, 0, noon)}
	b.Fill(probe, first, first, 4)
	if tasks[0].Need <= verify[0].Need || verify[0].Need < 2*time.Minute || first[0].Need < 3*time.Minute {
		t.Errorf("a chunk needs %s, the check %s, a probe %s", tasks[0].Need, verify[0].Need, first[0].Need)
	}
	if tasks[0].Cost <= 0 || verify[0].Cost <= 0 || first[0].Cost <= 0 {
		t.Error("a task has no cost")
	}
}

// The score tells of films whose way is simulated from what the book says.
func TestScore(t *testing.T) {
	var b estimate.Book
	for i := range 200 {
		ended := noon.Add(100 * time.Second)
		if i%10 == 0 {
			ended = noon.Add(300 * time.Second)
		}
		b.Judge(noon, noon.Add(110*time.Second), noon.Add(200*time.Second), ended)
	}
	n, covered, off := b.Score()
	if n != 100 || math.Abs(covered-0.9) > 1e-9 || off != 0.1 {
		t.Errorf("%d estimates, %.2f covered, off by %.3f", n, covered, off)
	}
}

// Whatever is seen, a guess is a positive number and its P90 no less than its P50.
func TestGuessesAreSound(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var b estimate.Book
		j, tasks := film(rapid.SampledFrom([]string{"h264", "av1"}).Draw(r, "codec"), rapid.IntRange(2, 4320).Draw(r, "height"), 3)
		for i := range rapid.IntRange(0, 40).Draw(r, "seen") {
			b.Observe(j, took(&tasks[i%3], rapid.Float64Range(1e-3, 1e6).Draw(r, "took")))
		}
		b.ObserveFilm(j, tasks)
		for _, g := range []estimate.Guess{b.Task(j, tasks[0]), b.Film(j), b.Film(j).Many(100), b.Film(queue.Job{Profile: "web"})} {
			if !(g.P50 > 0 && g.P90 >= g.P50 && g.P90 < 1e300) {
				r.Fatal(fmt.Sprintf("%+v", g))
			}
		}
		p50, p90, _ := b.Left(j, tasks, func(queue.Task) float64 { return 0 }).ETA(estimate.Line{Ahead: b.Film(j).Many(9)}, noon)
		if p90.Before(p50) || p50.Before(noon) {
			r.Fatalf("done at %s, %s at the latest", p50, p90)
		}
	})
}
