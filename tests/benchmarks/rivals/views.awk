# Views and bots of each page, referrer hosts, statuses, bytes, requests a minute of a combined log, as one would write
# it for oneself: mawk -F'"' -f views.awk LOG
NF < 7 { bad++; next }
{
    open = index($1, "["); day = substr($1, open + 1, 11)
    split($3, after, " "); status[day, after[1]]++; bytes[day] += after[2] + 0; minute[day, substr($1, open + 13, 5)]++
    words = split($2, request, " ")
    if (words != 3 || request[1] != "GET" || after[1] !~ /^(20[0-5]|304)$/) next
    page = request[2]; sub(/\?.*/, "", page)
    if (page ~ /\.(css|js|png|jpe?g|gif|svg|ico|woff2?)$/) next
    if (tolower($6) ~ /bot|crawl|spider|curl|slurp/) { bots[day, page]++; next }
    views[day, page]++
    if ($4 != "-") { split($4, url, "/"); referrers[day, page, url[3]]++ }
}
END {
    for (key in views) { pages++; all += views[key] }
    for (key in referrers) sources++
    for (key in bots) programs++
    print all + 0 " views on " pages + 0 " pages"
}
