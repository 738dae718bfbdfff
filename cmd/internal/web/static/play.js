"use strict";
// A browser's "maybe" to an HLS playlist is no proof: what counts is whether
// the film's first data arrives without an error.
const film = document.getElementById("film");
const trouble = document.getElementById("trouble");
const tell = () => { trouble.hidden = false; };
const playable = film.src.endsWith(".mp4") || film.canPlayType("application/vnd.apple.mpegurl") !== "";
film.addEventListener("error", tell);
film.addEventListener("loadedmetadata", () => { trouble.hidden = true; });
// The error may have come before this script.
if (!playable || film.error) {
  tell();
}
