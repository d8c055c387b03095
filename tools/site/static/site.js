// From a file a browser may not read other pages, so a search shows titles without excerpts.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// What scrolls sideways must be reached by the keyboard, and what doesn't must not be in the way.
function reach() {
  for (const el of document.querySelectorAll("pre, .table-wrapper, .formula"))
    if (el.scrollWidth > el.clientWidth) el.tabIndex = 0;
    else el.removeAttribute("tabindex");
}
addEventListener("load", reach);
addEventListener("resize", reach);
