"""Is this user agent a program? Its name and class, by a short table of names and a few tokens.

A bot's value in a tally is "class/Name". Classes: search, ai-training, ai-assistant, seo, social, feed, monitor,
tool, other.
"""

from __future__ import annotations

import re

# What the operators publish of their own programs.
_NAMES = {
    "ai-training": "GPTBot|ClaudeBot|anthropic-ai|CCBot|Bytespider|Google-Extended|Applebot-Extended"
    "|meta-externalagent|Amazonbot|cohere-ai|Diffbot|PanguBot",
    "ai-assistant": "ChatGPT-User|OAI-SearchBot|Claude-User|Claude-SearchBot|Claude-Web|PerplexityBot|Perplexity-User"
    "|MistralAI-User|DuckAssistBot|meta-externalfetcher",
    "search": "Googlebot-Image|Googlebot-News|Googlebot-Video|Googlebot|AdsBot-Google|Mediapartners-Google"
    "|Storebot-Google|GoogleOther|bingbot|adidxbot|msnbot|DuckDuckBot|Slurp|YandexBot|YandexImages|YandexMobileBot"
    "|Baiduspider|Applebot|Qwantify|Qwantbot|SeznamBot|Sogou web spider|PetalBot|MojeekBot|Yeti|coccocbot|360Spider",
    "seo": "AhrefsBot|SemrushBot|MJ12bot|DotBot|rogerbot|DataForSeoBot|BLEXBot|SEOkicks|serpstatbot|Barkrowler"
    "|SiteAuditBot|Screaming Frog",
    "social": "facebookexternalhit|Twitterbot|LinkedInBot|Slackbot|TelegramBot|WhatsApp|Discordbot|Pinterestbot"
    "|redditbot|SkypeUriPreview|Embedly|Mastodon|Bluesky",
    "feed": "Feedly|Feedbin|FeedBurner|Inoreader|NewsBlur|Tiny Tiny RSS|UniversalFeedParser|FeedFetcher-Google"
    "|Miniflux|FreshRSS|NetNewsWire|Liferea",
    "monitor": "UptimeRobot|Pingdom|StatusCake|Site24x7|Zabbix|Nagios|check_http|Better Uptime|NewRelicPinger"
    "|kube-probe|ELB-HealthChecker|GoogleHC|Uptime-Kuma|Datadog|internal dummy connection",
    "tool": "curl|Wget|python-requests|Python-urllib|aiohttp|python-httpx|Scrapy|Go-http-client|libwww-perl|okhttp"
    "|Apache-HttpClient|axios|node-fetch|undici|PostmanRuntime|HTTPie|HeadlessChrome|PhantomJS|Lighthouse"
    "|Nmap|masscan|zgrab|nikto|sqlmap|Nuclei",
    "other": "archive.org_bot|ia_archiver|heritrix|W3C_Validator",
}
_VALUES = {name.lower(): f"{kind}/{name}" for kind, names in _NAMES.items() for name in names.split("|")}
_LONGEST_FIRST = "|".join(re.escape(name) for name in sorted(_VALUES, key=len, reverse=True))
_KNOWN = re.compile(rf"(?<![a-z0-9])(?:{_LONGEST_FIRST})(?![a-z])")

# A word that says it, or the address of a page about the program ("+http://…"), which no browser sends (none of the
# 555 agents of people and applications among the test cases of isbot).
# "cubot" is a maker of telephones.
_TOKEN = re.compile(
    r"(?<!cu)bot(?![a-z])|\bbots?\b|crawl|spider|slurp|scrap[ei]|fetch(?:er|ing)|archiver|validator|preview|monitor"
    r"|libwww-perl|https?-?client|\bpython|\bperl|\bruby|\bphp|https?:|\bwww\.|headless|\bfeed|\brss"
)
# One product and nothing else (RFC 9110 section 10.1.5): browsers tell at least of the platform they run on.
_SOLE_PRODUCT = re.compile(r"(?!Mozilla/|Mozilla$|Opera/)([A-Za-z0-9._+-]{1,64})(?:/[^\s()]*)?", re.I | re.ASCII)
_NAME = re.compile(
    r"[a-z0-9_-]{0,32}(?:bot|crawl|spider|scrap|fetch|archiver|validator|preview|monitor)[a-z0-9_-]{0,32}",
    re.I | re.ASCII,
)

EMPTY = "other/(no agent)"
UNNAMED = "other/(unnamed)"
_LONGEST = 2048
"""Characters of an agent that are looked at; no program's name stands behind them."""


def bot(agent: str | None) -> str | None:
    """ "class/Name" of the bot behind a user agent, or None for what looks like a person's browser.

    No agent at all is a bot: every browser sends one.
    """
    if not agent or not agent.strip():
        return EMPTY
    agent = agent[:_LONGEST]
    lower = agent.lower()
    known = _KNOWN.search(lower)
    if known:
        return _VALUES[known.group()]
    sole = _SOLE_PRODUCT.fullmatch(agent)
    if sole:
        return "other/" + sole.group(1)
    if not _TOKEN.search(lower):
        return None
    own = _NAME.search(agent)
    return "other/" + own.group() if own else UNNAMED
