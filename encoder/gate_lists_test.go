package encoder_test

import (
	"bytes"
	"slices"

	"bobine/encoder/packaging"
)

var listDamages = []damage{
	{"a segment taken out of a list", replace(topList, "#EXTINF:1.000000,\nc00000-a1-00001.m4s\n", ""), topList + " has ", "begins at 48000 ticks, the one before ends at 24000"},
	{"a wrong duration", replace(topList, "#EXTINF:1.000000", "#EXTINF:1.040000"), topList, topList + ":8: EXTINF is 1.040000 s, " + topFirst + " lasts 1.000000 s"},
	{"a wrong target duration", replace(topList, "TARGETDURATION:1", "TARGETDURATION:9"), topList, "target duration of"},
	{"a target duration too small", replace(topList, "TARGETDURATION:1", "TARGETDURATION:0"), topList, "target duration"},
	{"no ENDLIST", replace(topList, "#EXT-X-ENDLIST\n", ""), topList, "#EXT-X-ENDLIST is missing"},
	{"a list cut short", edit(topList, func(b []byte) []byte { return b[:len(b)/2] }), topList + " has ", "#EXT-X-ENDLIST is missing"},
	{"a segment of another attempt", replace(topList, "c00001-a1-00001", "c00001-a2-00001"), "c00001-a2-00001.m4s does not exist", "c00001-a2-00001.m4s does not exist"},
	{"a file of another film", replace(topList, "c00001-a1-00001.m4s", "../../../other/x.m4s"), "does not name a file of the film", "does not name a file of the film"},
	{"a wrong BANDWIDTH", replace("master.m3u8", "INF:BANDWIDTH=", "INF:BANDWIDTH=1"), "MUST 1.27 master.m3u8", "MUST 1.27 master.m3u8"},
	{"a wrong AVERAGE-BANDWIDTH", replace("master.m3u8", "AVERAGE-BANDWIDTH=", "AVERAGE-BANDWIDTH=1"), "MUST 1.26 master.m3u8", "MUST 1.26 master.m3u8"},
	{"wrong CODECS", replace("master.m3u8", "mp4a.40.2", "mp4a.40.5"), "MUST 9.1 master.m3u8", "MUST 9.1 master.m3u8"},
	{"a wrong RESOLUTION", replace("master.m3u8", "RESOLUTION=256x144", "RESOLUTION=258x144"), "MUST 9.2 master.m3u8", "MUST 9.2 master.m3u8"},
	{"a wrong FRAME-RATE", replace("master.m3u8", "FRAME-RATE=24.000", "FRAME-RATE=25.000"), "MUST 9.15 master.m3u8", "MUST 9.15 master.m3u8"},
	{"a wrong VIDEO-RANGE", replace("master.m3u8", "VIDEO-RANGE=SDR", "VIDEO-RANGE=PQ"), "MUST 9.16 master.m3u8", "MUST 9.16 master.m3u8"},
	{"a language missing", edit("master.m3u8", func(b []byte) []byte {
		i := bytes.Index(b, []byte(`LANGUAGE="fr"`))
		from, to := bytes.LastIndexByte(b[:i], '\n')+1, i+bytes.IndexByte(b[i:], '\n')+1
		return slices.Delete(b, from, to)
	}), `rendition fre (language "fre") of bobine.json is not offered`, `its sounds have the languages ["en" "fr"]`},
	{"a wrong language", replace("manifest.mpd", `lang="fr"`, `lang="de"`), "its sounds have the languages", "its sounds have the languages"},
	{"a manifest's timeline off", replace("manifest.mpd", `d="24000"`, `d="24001"`), "manifest.mpd is not the file", "manifest.mpd says"},
	{"a manifest's wrong bandwidth", replace("manifest.mpd", `bandwidth="`, `bandwidth="9`), "bandwidth is 9", "bandwidth is 9"},
	{"a manifest's wrong size", replace("manifest.mpd", `width="256"`, `width="254"`), "its init segment says", "its init segment says"},
	{"a manifest's wrong duration", replace("manifest.mpd", `Duration="PT4`, `Duration="PT5`), "manifest.mpd", "the film 5.000000 s"},
	{"an I-frame's range past the end", replace("v/144p/iframes.m3u8", "BYTERANGE:", "BYTERANGE:9"), "the range ends at", "the range ends at"},
	{"a list of I-frames missing", func(p published) { delete(p, "v/72p/iframes.m3u8") }, "v/72p/iframes.m3u8 does not exist", "v/72p/iframes.m3u8 does not exist"},
	{"a playlist missing", func(p published) { delete(p, engList) }, engList + " does not exist", engList + " does not exist"},
	{"the master missing", func(p published) { delete(p, "master.m3u8") }, "master.m3u8 does not exist", "master.m3u8 does not exist"},
	{"an old digest in the record", replace(packaging.Log, `"sha256": "`, `"sha256": "0`), "is not the file of bobine.json", ""},
	{"an old size in the record", replace(packaging.Log, `"name": "`+topFirst+`",
      "bytes": `, `"name": "`+topFirst+`",
      "bytes": 1`), topFirst + " has ", ""},
}
