"""What mkdocs is told while it builds: pages made from code, and links from files to pages."""

from __future__ import annotations

from links import PAGES, linked_without_page, listing, site_links
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pages import ROOT, generated_pages


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file holds, and the files that pages link to."""
    pages = generated_pages()
    for source, page in PAGES.items():
        if page not in files.src_uris:
            pages[page] = site_links((ROOT / source).read_text(encoding="utf-8"), source, page)
    for page, text in pages.items():
        files.append(File.generated(config, page, content=text))
    for file in list(files.documentation_pages()):
        for uri, place in linked_without_page(file.content_string, f"docs/{file.src_uri}"):
            if uri in files.src_uris:
                continue
            if place.is_dir():
                files.append(File.generated(config, uri, content=listing(place), inclusion=InclusionLevel.NOT_IN_NAV))
            else:
                files.append(File.generated(config, uri, abs_src_path=str(place)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to code into links to its pages, and tell the runs of one system apart by their files' names."""
    if page.file.src_uri.startswith("results/") and page.file.src_uri.count("/") > 1:
        page.meta.setdefault("title", page.file.name)
    return site_links(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)
