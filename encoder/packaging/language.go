package packaging

import (
	"regexp"
	"strings"
)

// languages are those films are often tagged with: the codes of ISO 639-2,
// the tag that BCP 47 wants instead, and the name.
var languages = map[string][2]string{
	"ara": {"ar", "العربية"}, "bul": {"bg", "Български"}, "cat": {"ca", "Català"},
	"ces": {"cs", "Čeština"}, "cze": {"cs", "Čeština"}, "chi": {"zh", "中文"}, "zho": {"zh", "中文"},
	"dan": {"da", "Dansk"}, "deu": {"de", "Deutsch"}, "ger": {"de", "Deutsch"},
	"dut": {"nl", "Nederlands"}, "nld": {"nl", "Nederlands"}, "ell": {"el", "Ελληνικά"}, "gre": {"el", "Ελληνικά"},
	"eng": {"en", "English"}, "est": {"et", "Eesti"}, "fin": {"fi", "Suomi"},
	"fra": {"fr", "Français"}, "fre": {"fr", "Français"}, "heb": {"he", "עברית"}, "hin": {"hi", "हिन्दी"},
	"hrv": {"hr", "Hrvatski"}, "hun": {"hu", "Magyar"}, "ind": {"id", "Bahasa Indonesia"},
	"ita": {"it", "Italiano"}, "jpn": {"ja", "日本語"}, "kor": {"ko", "한국어"},
	"lav": {"lv", "Latviešu"}, "lit": {"lt", "Lietuvių"}, "nor": {"no", "Norsk"},
	"fas": {"fa", "فارسی"}, "per": {"fa", "فارسی"}, "pol": {"pl", "Polski"}, "por": {"pt", "Português"},
	"ron": {"ro", "Română"}, "rum": {"ro", "Română"}, "rus": {"ru", "Русский"},
	"slk": {"sk", "Slovenčina"}, "slo": {"sk", "Slovenčina"}, "slv": {"sl", "Slovenščina"},
	"spa": {"es", "Español"}, "srp": {"sr", "Српски"}, "swe": {"sv", "Svenska"},
	"tha": {"th", "ไทย"}, "tur": {"tr", "Türkçe"}, "ukr": {"uk", "Українська"}, "vie": {"vi", "Tiếng Việt"},
}

var tagShape = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// languageTag is the BCP 47 tag of a source's language, "" when it names none.
func languageTag(code string) string {
	if l, ok := languages[strings.ToLower(code)]; ok {
		return l[0]
	}
	if code == "und" || !tagShape.MatchString(code) {
		return ""
	}
	return code
}

func languageName(code string) string {
	tag := languageTag(code)
	for _, l := range languages {
		if tag != "" && l[0] == tag {
			return l[1]
		}
	}
	if tag == "" {
		return "Audio"
	}
	return tag
}
