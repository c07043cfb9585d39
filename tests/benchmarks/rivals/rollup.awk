# The rollup's job in mawk, as one would write it in an afternoon: mawk -F'"' -f rollup.awk access.log
# Views, programs, referrers' hosts, missing pages, statuses, bytes and minutes of each day; the sums as JSON.
function ended(path) {
    return path ~ /\.(css|js|json|png|jpe?g|gif|webp|svg|ico|ttf|woff2?|gz|zip)$/ || path == "/robots.txt"
}
NF < 7 { bad++; next }
{
    open = index($1, "[")
    day = substr($1, open + 1, 11)
    fields = split($3, answer, " ")
    status = answer[1]
    if (!open || fields < 2) { bad++; next }
    states[day, status]++
    if (answer[2] != "-") sent[day] += answer[2]
    if (split($2, request, " ") != 3) next
    path = request[2]
    if (query = index(path, "?")) path = substr(path, 1, query - 1)
    if (request[1] != "GET" || ended(path)) next
    if (status == 404) { missing[day, path]++; next }
    if (status !~ /^(20[0-5]|304)$/) next
    if (tolower($6) ~ /bot|crawl|spider|slurp|curl/) { programs[day, path, $6]++; next }
    views[day, path]++
    minutes[day, substr($1, open + 13, 5)]++
    if ($4 != "-") { split($4, parts, "/"); referrers[day, path, parts[3]]++ }
}
END {
    for (key in views) { pages++; total += views[key] }
    printf "{\"lines\": %d, \"bad\": %d, \"views\": %d, \"pages\": %d}\n", NR, bad, total, pages
}
