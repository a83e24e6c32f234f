"""One module a page; each has `show`, which draws it.

Not named `pages`: Streamlit would take such a folder for its own list of pages.
"""
