"""Names of programs by class: what their operators publish of them, in the order of a table. Data only; see `bots`."""

from __future__ import annotations

CLASSES = {
    "search": "indexes pages for a search engine, or looks after its results and advertisements",
    "ai-training": "collects text to train models",
    "ai-assistant": "reads a page to answer somebody's question",
    "seo": "collects links, ranks and advertisements for marketing",
    "social": "makes the preview of a link that somebody has posted",
    "feed": "reads feeds",
    "monitor": "asks whether the site is up, and how fast",
    "tool": "libraries, automated browsers, scanners",
    "other": "archives, universities, and what tells no more than that it is a program",
}

NAMES = {
    "ai-training": "GPTBot|ClaudeBot|anthropic-ai|CCBot|Bytespider|TikTokSpider|Google-Extended|Google-CloudVertexBot"
    "|Applebot-Extended|meta-externalagent|FacebookBot|Amazonbot|cohere-ai|cohere-training-data-crawler|Diffbot"
    "|PanguBot|AI2Bot|ImagesiftBot|omgili|ICC-Crawler|Kangaroo Bot|Timpibot|VelenPublicWebCrawler"
    "|SBIntuitionsBot|Cotoyogi|img2dataset|Webzio",
    "ai-assistant": "ChatGPT-User|ChatGPT Agent|OAI-SearchBot|Claude-User|Claude-SearchBot|Claude-Web|claude-code"
    "|PerplexityBot|Perplexity-User|MistralAI-User|DuckAssistBot|meta-externalfetcher|meta-webindexer|Amzn-User"
    "|Amzn-SearchBot|Gemini-Deep-Research|Google-NotebookLM|GoogleAgent-Mariner|Google-Agent|Manus-User|Devin"
    "|NovaAct|YouBot|PhindBot|iAskBot|Andibot|LinerBot|Poggio-Citations|kagi-fetcher|TavilyBot",
    "search": "Googlebot-Image|Googlebot-News|Googlebot-Video|Googlebot|AdsBot-Google|Mediapartners-Google"
    "|Storebot-Google|GoogleOther|Google-InspectionTool|Google-Site-Verification|APIs-Google|DuplexWeb-Google"
    "|Google Favicon|bingbot|BingPreview|adidxbot|msnbot|DuckDuckBot|DuckDuckGo-Favicons-Bot|Slurp|YandexBot"
    "|YandexImages|YandexMobileBot|Baiduspider|baidu Transcoder|Applebot|Qwantify|Qwantbot|SeznamBot"
    "|Sogou web spider|Sogou Pic Spider|PetalBot|MojeekBot|Yeti|Daumoa|coccocbot|360Spider"
    "|YisouSpider|HaosouSpider|Exabot|Gigabot|ichiro|Mail.RU_Bot|StractBot|Bravebot",
    "seo": "AhrefsBot|AhrefsSiteAudit|SemrushBot|MJ12bot|DotBot|rogerbot|DataForSeoBot|BLEXBot|SEOkicks|serpstatbot"
    "|Barkrowler|SiteAuditBot|Screaming Frog SEO Spider|Screaming Frog|Siteimprove|Silktide|Sistrix|OnCrawl|Botify"
    "|LinkpadBot|MegaIndex|BuiltWith|Datanyze|Wappalyzer|MarketGoo|Sitebulb|Hotjar|Xenu Link Sleuth"
    "|LinkTiger|proximic|IAS-crawler|AdsTxtCrawler|TagInspector|OneTrust|Outbrain",
    "social": "facebookexternalhit|facebookcatalog|Twitterbot|LinkedInBot|Slackbot-LinkExpanding|Slackbot"
    "|TelegramBot|WhatsApp|Discordbot|Pinterestbot|redditbot|SkypeUriPreview|Embedly|Mastodon|Bluesky|Cardyb"
    "|Iframely|vkShare|Snapchat-Ads|Valve/Steam|GoogleImageProxy|Google-PageRenderer|HatenaBookmark",
    "feed": "Feedly|Feedbin|FeedBurner|Inoreader|NewsBlur|Tiny Tiny RSS|UniversalFeedParser|FeedFetcher-Google"
    "|Miniflux|FreshRSS|NetNewsWire|Liferea|Akregator|QuiteRSS|Reeder|ReadKit|The Old Reader|theoldreader"
    "|Overcast|Downcast|PodcastAddict|Podcast Addict|iTMS|CommaFeed|Bloglovin|RSSOwl|RSSGuard",
    "monitor": "UptimeRobot|PingdomTMS|PingdomPageSpeed|Pingdom|StatusCake|Site24x7|Zabbix|Nagios|check_http"
    "|Better Uptime|NewRelicPinger|NewRelicSynthetics|kube-probe|ELB-HealthChecker|Amazon-Route53-Health-Check"
    "|Amazon CloudFront|GoogleHC|Uptime-Kuma|DatadogSynthetics|Datadog|internal dummy connection|Catchpoint"
    "|GomezAgent|RuxitSynthetic|Splunk Synthetics|Rigor|DMBrowser-BV|DMBrowser|DejaClick|AppInsights|ThousandEyes"
    "|GTmetrix|PTST|SpeedCurve|DareBoost|Google Page Speed Insights|CloudflareObservatory|Cloudflare-Healthchecks"
    "|Blackbox Exporter|Checkly|updown.io|Xymon|Freshping|HetrixTools|WebsitePulse|Prometheus",
    "tool": "curl|Wget|python-requests|Python-urllib|aiohttp|python-httpx|Scrapy|Go-http-client|libwww-perl|okhttp"
    "|Apache-HttpClient|axios|node-fetch|undici|PostmanRuntime|insomnia|HTTPie|GuzzleHttp|RestSharp"
    "|grpc-node|grpc-go|reqwest|HeadlessChrome|PhantomJS|SlimerJS|Lighthouse|Playwright|Puppeteer"
    "|Selenium|Cypress|Splash|ArchiveBox|HTTrack|WebCopier|SiteSucker|iGetter|larbin|Indy Library"
    "|Nmap|masscan|zgrab|nikto|sqlmap|Nuclei|OpenVAS|Acunetix|WPScan|dirbuster|gobuster|ffuf|Fuzz Faster U Fool|Jorgee"
    "|burpcollaborator|Qualys|Nessus|ClamAV|watchTowr|Hardenize|SSL Labs|CensysInspect|Foregenix|wechatdevtools",
    "other": "archive.org_bot|ia_archiver|heritrix|W3C_Validator|Nutch|Trendsmap|Netcraft|googleweblight",
}
